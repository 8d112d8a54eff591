"""Sample pictures that ship with the chat page, and the code that makes them."""
