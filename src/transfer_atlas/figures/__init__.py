"""One module and one function per figure: DataFrames in, matplotlib Figure out."""
