package fuzz
r1 := true
a if { r1[k] == 2 }
b if { r1.foo == 2 }
c if { r1[1] }
d if { r1 }
