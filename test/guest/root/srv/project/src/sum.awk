# Adds up the columns of a year's files.

BEGIN { FS = "," }
FNR == 1 { next }
{
  kilograms += $2
  trees[$1]
}
END { printf "%d: %5d kg from %d kinds of tree\n", year, kilograms, length(trees) }
