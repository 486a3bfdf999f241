"""The one client of OpenAI-compatible servers: paced, within a budget, every reply journalled before it is used."""
