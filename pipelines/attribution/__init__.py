"""What `touchstone attribution` does beyond single steps: files in, models found or made, a page out."""
