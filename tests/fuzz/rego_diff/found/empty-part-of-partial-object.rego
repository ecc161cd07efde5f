package fuzz

r0[k].b := 1 if { k := input.o.zz }

r0.s contains 1 if { input.n == 99 }

r1.x[k] := 1 if {
	k := input.s
	false
}

r1.s contains 1 if { input.n == 99 }
