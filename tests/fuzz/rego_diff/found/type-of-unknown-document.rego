package fuzz

default r0 := {}

r1 if {
	some k7; v6 = data.d.sa[k7]
	(is_set(data.d.s) <= data.d.b) in [[11, k7, k7], object.union_n([])]
}
