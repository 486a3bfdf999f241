"""What a sweep of trainings needs, before anything is rented: memory, time and cost of every cell."""
