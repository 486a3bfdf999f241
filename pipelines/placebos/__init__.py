"""What `touchstone judge placebos` does: answers as people have them -> folders of placebos for judges and raters."""
