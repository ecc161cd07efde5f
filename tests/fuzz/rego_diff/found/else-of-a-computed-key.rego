package fuzz

r5[upper("a")].b := 1 if {
	input.x
} else := 2

r7[input.q].b := 1 if {
	input.x
} else := 2

r8[count(input.q)] := x if {
	x := input.x
} else := 2 if input.y
