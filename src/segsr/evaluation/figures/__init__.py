"""The paper's figures. Each function draws one and returns it; `write_figure` makes the files."""
