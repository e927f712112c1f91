#!/bin/sh
# The harvest of each year, in kilograms.

cd "$(dirname "$0")/.." || exit
for year in 2021 2022 2023; do
  awk -f src/sum.awk -v year=$year data/$year-*.csv
done
