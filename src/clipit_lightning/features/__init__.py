"""From raw videos to what a store holds: frames, encoders, captions."""
