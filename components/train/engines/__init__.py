"""Training in several processes: who they are (`group`), who starts them (`workers`), what each holds (`engine`)."""
