"""What is trained: backbone, head, loss, and the files that hold them."""
