package fuzz

# METADATA
# scope: document
# title: one
p := 1 if { input.x }

# METADATA
# scope: document
# title: two
p := 1 if { input.y }

p := 2 if { input.z }
