"""Tables on the terminal, charts, pictures, and the HTML page that shows a workdir."""
