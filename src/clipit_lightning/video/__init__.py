"""Raw video: decode, encode, caption, render."""
