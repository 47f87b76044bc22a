//! Replays the golden transcripts in `tests/transcripts`.
