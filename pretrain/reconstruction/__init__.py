"""What a masked autoencoder makes of what it does not see, for people to look at."""
