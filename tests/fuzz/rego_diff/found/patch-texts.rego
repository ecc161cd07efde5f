package fuzz

r0 := json.patch(input.u[0], [{"op": "test", "path": "/id", "value": 7}]) if { true }

r1 := json.patch(true, [{"op": "add", "path": "/a/b", "value": 7}]) if { true }

r2 := json.patch(input.u[0], [{"op": "remove", "path": "/nope"}]) if { true }
