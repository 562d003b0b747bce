"""Sample applications on top of linked clusters. Nothing else may use them."""
