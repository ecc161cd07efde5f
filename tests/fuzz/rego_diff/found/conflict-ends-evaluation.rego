package fuzz

r1(a) := 11 if { a }

r1(a) := 7 if { a }

r2 := {1, 2, 3} if { input.n }

r2 if {
	x := r1(array.reverse([9, 8]))
}
