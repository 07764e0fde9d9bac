package fake_test

import (
	"fmt"
	"reflect"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

// filler fills a request: one list has many elements, all that are different, and the others have one.
type filler struct {
	many  string // path of the list
	count int
	next  int64
	lists []string // paths of all that were met
	same  bool     // the elements of the long list name the same
}

func (f *filler) fill(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "UnknownTags" {
				f.fill(path+"."+name, v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(path, v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte{0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
			return
		}
		f.lists = append(f.lists, path)
		n := 1
		if path == f.many {
			n = f.count
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(path, v.Index(i))
		}
	case reflect.String:
		switch in := path == f.many || len(path) > len(f.many) && f.many != "" && path[:len(f.many)+1] == f.many+"."; {
		case in && !f.same:
			f.next++
			v.SetString(fmt.Sprintf("n%d", f.next))
		default:
			v.SetString("a")
		}
	case reflect.Array:
		f.next++
		for i := range 8 {
			v.Index(i + 8).SetUint(uint64(byte(f.next >> (8 * i))))
		}
	case reflect.Int8:
		v.SetInt(2)
	case reflect.Int16, reflect.Int32, reflect.Int64:
		if f.next++; path == f.many {
			v.SetInt(f.next % 32_000)
		} else {
			v.SetInt(1)
		}
	}
}

// filled makes a request of an API with a long list; nil if it cannot be written in a version.
func filled(key, version int16, many string, count int, same bool) []byte {
	m := protocol.NewRequest(key)
	m.SetDefaults()
	f := &filler{many: many, count: count, same: same}
	f.fill("", reflect.ValueOf(m).Elem())
	frame, err := protocol.AppendRequest(nil, m, version, 1, wire.Ptr("bench"))
	if err != nil {
		return nil
	}
	return frame[protocol.SizeLen:]
}
