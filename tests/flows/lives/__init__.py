"""Random lives of devices: the company they are lived in, an onlooker, and what may happen to them."""
