"""Raw imitation data, ours or anybody's, as dialogues: in = kept + removed, each removal with its reason."""
