"""Training on many nodes: the train step submits a Kubeflow Trainer TrainJob, follows it and cleans up after it."""
