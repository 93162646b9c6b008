"""From images to pairs and batches of low and high resolution."""
