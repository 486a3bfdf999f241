"""Ratings that are made elsewhere: sheets for a spreadsheet or a Mechanical Turk batch, tasks for Label Studio."""
