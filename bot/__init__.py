"""The edge. What people read and press, on chat, on the device page and in a terminal."""
