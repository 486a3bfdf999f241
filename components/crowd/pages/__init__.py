"""What people see: the rater's page and the admin's."""
