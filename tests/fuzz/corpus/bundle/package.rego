# x
package a.b["c"]
