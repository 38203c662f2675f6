// Package schema prints the protocol for clients: as a JSON document with a JSON
// Schema per type, and as TypeScript declarations. Both are made from the Go
// types of package protocol and their comments. It does no I/O.
package schema

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// model is the protocol as both printers read it.
type model struct {
	types []*typeInfo // in the order in which they are first used
	known map[reflect.Type]*typeInfo
	docs  map[string]string // "Type" and "Type.Field"
	enums map[reflect.Type][]string
}

type typeInfo struct {
	name   string
	doc    string
	enum   []string
	fields []field
}

type field struct {
	name     string
	doc      string
	optional bool
	typ      reflect.Type
}

var rawType = reflect.TypeFor[json.RawMessage]()

func load() (*model, error) {
	m := &model{known: map[reflect.Type]*typeInfo{}, enums: protocol.Enums()}
	var err error
	if m.docs, err = comments(protocol.Source); err != nil {
		return nil, err
	}
	for _, t := range protocol.Inside() {
		m.add(t)
	}
	for _, method := range protocol.Methods() {
		m.add(method.Params)
		if method.Result != nil {
			m.add(method.Result)
		}
	}
	return m, nil
}

// add takes a type and all that it is made of.
func (m *model) add(t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if t != rawType {
			m.add(t.Elem())
		}
		return
	case reflect.String:
		if m.enums[t] == nil || m.known[t] != nil {
			return
		}
	case reflect.Struct:
		if m.known[t] != nil || t.Name() == "" {
			return
		}
	default:
		return
	}
	info := &typeInfo{name: t.Name(), doc: m.docs[t.Name()], enum: m.enums[t]}
	m.known[t] = info
	m.types = append(m.types, info)
	if t.Kind() == reflect.Struct {
		info.fields = m.fields(t)
		for _, f := range info.fields {
			m.add(f.typ)
		}
	}
}

// fields lists the fields as encoding/json writes them, embedded ones in place.
func (m *model) fields(t reflect.Type) []field {
	if custom, ok := opaque[t.Name()]; ok {
		return custom
	}
	var list []field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			list = append(list, m.fields(f.Type)...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		list = append(list, field{name, m.docs[t.Name()+"."+f.Name], strings.Contains(options, "omit"), f.Type})
	}
	return list
}

// opaque gives the fields of types with an encoding of their own.
var opaque = map[string][]field{
	"Content": {
		{name: "cache_prompt", typ: reflect.TypeFor[bool]()},
		{name: "type", doc: `"text" or "image"`, typ: reflect.TypeFor[string]()},
		{name: "text", optional: true, typ: reflect.TypeFor[string]()},
		{name: "image_urls", optional: true, typ: reflect.TypeFor[[]string]()},
	},
	"Thinking": {
		{name: "type", doc: `"thinking" or "redacted_thinking"`, typ: reflect.TypeFor[string]()},
		{name: "thinking", optional: true, typ: reflect.TypeFor[string]()},
		{name: "signature", optional: true, typ: reflect.TypeFor[string]()},
		{name: "data", optional: true, typ: reflect.TypeFor[string]()},
	},
}

// comments reads the doc comments of types and fields.
func comments(source fs.FS) (map[string]string, error) {
	docs := map[string]string{}
	names, err := fs.Glob(source, "*.go")
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	for _, name := range names {
		text, err := fs.ReadFile(source, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("reading the protocol's source: %w", err)
		}
		for _, decl := range file.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				typeComments(d, docs)
			}
		}
	}
	return docs, nil
}

func typeComments(d *ast.GenDecl, docs map[string]string) {
	for _, spec := range d.Specs {
		t := spec.(*ast.TypeSpec)
		doc := t.Doc
		if doc == nil {
			doc = d.Doc
		}
		docs[t.Name.Name] = oneLine(doc)
		s, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range s.Fields.List {
			doc := f.Doc
			if doc == nil {
				doc = f.Comment
			}
			for _, name := range f.Names {
				docs[t.Name.Name+"."+name.Name] = oneLine(doc)
			}
		}
	}
}

func oneLine(doc *ast.CommentGroup) string { return strings.Join(strings.Fields(doc.Text()), " ") }
