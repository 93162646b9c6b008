"""`python -m srnas_tf`, and the console script `srnas`: the same as `python -m srnas_tf.run`."""

from srnas_tf.run import console

if __name__ == "__main__":
    console()
