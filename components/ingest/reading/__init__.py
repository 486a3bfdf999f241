"""Other people's files, whatever their container and shape, as dialogues and removals: a stream, in bounded memory."""
