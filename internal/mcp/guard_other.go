//go:build !unix

package mcp

// guard has no way to outlive this process: a server sees its input end.
func guard(int) (end func()) { return func() {} }
