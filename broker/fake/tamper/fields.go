package tamper

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
)

// field is one field of an answer.
type field struct {
	path string // names of structs and fields, without indexes
	v    reflect.Value
}

// walk gives the fields of an answer, arrays themselves and what is in them.
func walk(m any) (fields []field) {
	var into func(path string, v reflect.Value)
	into = func(path string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if v.Type().Elem().Kind() == reflect.Struct {
				if !v.IsNil() {
					into(path, v.Elem())
				}
				return
			}
			fields = append(fields, field{path, v})
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					into(strings.TrimPrefix(path+"."+f.Name, "."), v.Field(i))
				}
			}
		case reflect.Slice:
			fields = append(fields, field{path, v})
			if v.Type().Elem().Kind() == reflect.Struct {
				for i := range v.Len() {
					into(path, v.Index(i))
				}
			}
		default:
			if v.CanSet() {
				fields = append(fields, field{path, v})
			}
		}
	}
	into("", reflect.ValueOf(m))
	return fields
}

// codes are more than all that Kafka has.
const codes = 140

// hostile are strings that nobody should print or keep as they are.
var hostile = []string{"", "\x1b[31mred\x1b[0m\r\nERROR forged\x00\a", "\xff\xfe\xfd", strings.Repeat("long ", 1000), "../../etc/passwd", "a\u202eb", "0", "none"}

// change gives a field another value, and tells which.
func (f field) change(rng *rand.Rand) string {
	v := f.v
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := v.Type().Bits()
		least, most := int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits)
		n := []int64{0, 1, -1, -2, -5, least, most, most - 1, v.Int() + 1, v.Int() - 1, v.Int() + 1000, int64(rng.IntN(1000)), rng.Int64() >> (64 - bits)}[rng.IntN(13)]
		if strings.HasSuffix(f.path, "ErrorCode") && rng.IntN(8) > 0 {
			n = int64(rng.IntN(codes)) - 1
		}
		v.SetInt(min(max(n, least), most))
	case reflect.Uint16:
		v.SetUint(uint64(rng.IntN(math.MaxUint16)))
	case reflect.Float64:
		v.SetFloat([]float64{0, -1, math.NaN(), math.Inf(1), math.MaxFloat64}[rng.IntN(5)])
	case reflect.String:
		v.SetString(changed(v.String(), rng))
	case reflect.Pointer:
		if v.Type().Elem().Kind() != reflect.String {
			return ""
		}
		s := ""
		if !v.IsNil() {
			s = v.Elem().String()
		}
		if rng.IntN(4) == 0 {
			v.SetZero()
			return "null"
		}
		s = changed(s, rng)
		v.Set(reflect.ValueOf(&s).Convert(v.Type()))
		return fmt.Sprintf("%.40q", s)
	case reflect.Array: // a UUID
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(rng.IntN(256)))
		}
		if rng.IntN(3) == 0 {
			v.SetZero()
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(spoilt(v.Bytes(), rng))
			return fmt.Sprintf("%d bytes", v.Len())
		}
		return resized(v, rng)
	default:
		return ""
	}
	return fmt.Sprintf("%.40v", v.Interface())
}

func changed(s string, rng *rand.Rand) string {
	switch rng.IntN(4) {
	case 0:
		return s + "x"
	case 1:
		return s[:len(s)/2]
	}
	return hostile[rng.IntN(len(hostile))]
}

// spoilt changes records, assignments and the like.
func spoilt(b []byte, rng *rand.Rand) []byte {
	b = append([]byte(nil), b...)
	if len(b) == 0 {
		return make([]byte, rng.IntN(100))
	}
	switch rng.IntN(6) {
	case 0:
		return nil
	case 1:
		return b[:rng.IntN(len(b))]
	case 2:
		return append(b, b...)
	case 3:
		return append(b, make([]byte, 1+rng.IntN(100))...)
	case 4: // where a batch of records has its offset and lengths
		b[rng.IntN(min(len(b), 16))] ^= byte(1 + rng.IntN(255))
	default:
		b[rng.IntN(len(b))] ^= byte(1 + rng.IntN(255))
	}
	return b
}

// resized makes an array longer or shorter.
func resized(v reflect.Value, rng *rand.Rand) string {
	n := v.Len()
	switch {
	case n == 0 || rng.IntN(5) == 0:
		zero := reflect.MakeSlice(v.Type(), n+1, n+1)
		reflect.Copy(zero, v)
		v.Set(zero)
	case rng.IntN(4) == 0:
		v.SetZero()
		return "null"
	case rng.IntN(3) == 0:
		more := reflect.MakeSlice(v.Type(), 0, n+n*50)
		for range 1 + rng.IntN(50) {
			more = reflect.AppendSlice(more, v)
		}
		v.Set(more)
	case rng.IntN(2) == 0:
		more := reflect.MakeSlice(v.Type(), 0, n+1)
		more = reflect.AppendSlice(more, v)
		v.Set(reflect.Append(more, v.Index(rng.IntN(n))))
	default:
		v.Set(v.Slice(0, n-1))
	}
	return fmt.Sprintf("%d elements for %d", v.Len(), n)
}
