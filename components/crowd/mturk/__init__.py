"""The bridge to Mechanical Turk: tasks that show the service's page in a frame, approval, bonuses, closing."""
