"""The way of SDK calls into the world, and of what moto knows out of it."""
