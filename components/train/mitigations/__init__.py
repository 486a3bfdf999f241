"""What may keep an imitator from losing its base's capability (the study's open problem, section 4.3), as arms."""
