package protocol_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Golden bytes made by the official Java client, version by version (schemas/vectors).

// eachVector calls f with every line of a file of vectors, and fails if there is none.
func eachVector(t testing.TB, name string, f func(line []byte)) {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "schemas", "vectors", name+".jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for s := bufio.NewReaderSize(z, 1<<20); ; n++ {
		line, err := s.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			break
		}
		f(line)
		if t.Failed() {
			t.Fatalf("at line %d of %s", n+1, name)
		}
	}
	if n == 0 {
		t.Fatalf("%s: no vectors", name)
	}
	t.Logf("%s: %d vectors", name, n)
}

type vector struct {
	API           string
	APIKey        *int16
	Kind          string
	Version       int16
	HeaderVersion *int16
	Mode          string
	JSON          json.RawMessage
	Hex           string
}

func parseVector(t testing.TB, line []byte) (v vector, m protocol.Message, body []byte) {
	t.Helper()
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatal(err)
	}
	body, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	switch v.Kind {
	case "request":
		m = protocol.NewRequest(*v.APIKey)
	case "response":
		m = protocol.NewResponse(*v.APIKey)
	default:
		m = protocol.NewData(v.API)
	}
	if m == nil {
		t.Fatalf("%s %s: there is no such message", v.API, v.Kind)
	}
	return v, m, body
}

// sameJSON compares exactly, but floats as numbers.
func sameJSON(a, b []byte) bool {
	tree := func(s []byte) any {
		d := json.NewDecoder(bytes.NewReader(s))
		d.UseNumber()
		var v any
		if d.Decode(&v) != nil {
			return nil
		}
		return v
	}
	return sameTree(tree(a), tree(b))
}

func sameTree(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok || !sameTree(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameTree(x[i], y[i]) {
				return false
			}
		}
		return true
	case json.Number:
		y, ok := b.(json.Number)
		if x == y || !ok {
			return ok
		}
		f, err1 := strconv.ParseFloat(x.String(), 64)
		g, err2 := strconv.ParseFloat(y.String(), 64)
		return err1 == nil && err2 == nil && f == g && strings.ContainsAny(string(x+y), ".eE")
	}
	return reflect.DeepEqual(a, b)
}

func TestMessagesMatchJava(t *testing.T) {
	for _, name := range []string{"requests", "responses", "headers", "data"} {
		t.Run(name, func(t *testing.T) {
			eachVector(t, name, func(line []byte) {
				v, m, body := parseVector(t, line)
				what := fmt.Sprintf("%s %s v%d %s", v.API, v.Kind, v.Version, v.Mode)
				if err := protocol.Read(m, body, v.Version); err != nil {
					t.Errorf("%s: read: %v", what, err)
					return
				}
				text, err := protocol.ToJSON(m, v.Version)
				if err != nil || !sameJSON(text, v.JSON) {
					t.Errorf("%s: read as\n%s\nwant\n%s\n%v", what, text, v.JSON, err)
				}
				again, err := protocol.Append(nil, m, v.Version)
				if err != nil || !bytes.Equal(again, body) {
					t.Errorf("%s: written again as\n%x\nwant\n%x\n%v", what, again, body, err)
				}
				if v.Mode == "unknown-tags" { // JSON does not show them
					return
				}
				_, built, _ := parseVector(t, line)
				if err := protocol.FromJSON(built, v.JSON, v.Version); err != nil {
					t.Errorf("%s: from JSON: %v", what, err)
					return
				}
				again, err = protocol.Append(nil, built, v.Version)
				if err != nil || !bytes.Equal(again, body) {
					t.Errorf("%s: built from JSON as\n%x\nwant\n%x\n%v", what, again, body, err)
				}
			})
		})
	}
}

func TestHeaderVersionsMatchJava(t *testing.T) {
	for _, name := range []string{"requests", "responses"} {
		eachVector(t, name, func(line []byte) {
			v, m, _ := parseVector(t, line)
			var got int16
			switch m := m.(type) {
			case protocol.Request:
				got = m.HeaderVersion(v.Version)
			case protocol.Response:
				got = m.HeaderVersion(v.Version)
			}
			if v.HeaderVersion == nil || got != *v.HeaderVersion {
				t.Errorf("%s %s v%d: header version %d", v.API, v.Kind, v.Version, got)
			}
		})
	}
}

func TestFramesMatchJava(t *testing.T) {
	eachVector(t, "frames", func(line []byte) {
		var f struct {
			vector
			CorrelationID     int32
			ClientID          *string
			HeaderUnknownTags int
			BodyOffset        int
		}
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatal(err)
		}
		_, m, frame := parseVector(t, line)
		what := fmt.Sprintf("%s %s v%d", f.API, f.Kind, f.Version)
		n, err := protocol.FrameSize([4]byte(frame), protocol.MaxFrame)
		if err != nil || n != len(frame)-4 {
			t.Errorf("%s: size %d, %v", what, n, err)
		}
		var again []byte
		switch m := m.(type) {
		case protocol.Request:
			r := protocol.ReadRequest(frame[4:])
			if r.Err != nil || r.Header.CorrelationID != f.CorrelationID || !reflect.DeepEqual(r.Header.ClientID, f.ClientID) {
				t.Errorf("%s: header %+v, %v", what, r.Header, r.Err)
				return
			}
			if text, _ := protocol.ToJSON(r.Request, f.Version); !sameJSON(text, f.JSON) {
				t.Errorf("%s: body %s, want %s", what, text, f.JSON)
			}
			if again, err = protocol.AppendRequest(nil, r.Request, f.Version, f.CorrelationID, f.ClientID); err != nil {
				t.Error(err)
			}
		case protocol.Response:
			if id, err := protocol.CorrelationID(frame[4:]); err != nil || id != f.CorrelationID {
				t.Errorf("%s: correlation id %d, %v", what, id, err)
			}
			if err := protocol.ReadResponse(m, frame[4:], f.Version); err != nil {
				t.Errorf("%s: %v", what, err)
				return
			}
			if text, _ := protocol.ToJSON(m, f.Version); !sameJSON(text, f.JSON) {
				t.Errorf("%s: body %s, want %s", what, text, f.JSON)
			}
			if again, err = protocol.AppendResponse(nil, m, f.Version, f.CorrelationID); err != nil {
				t.Error(err)
			}
		}
		if f.HeaderUnknownTags == 0 {
			if !bytes.Equal(again, frame) {
				t.Errorf("%s: written again as\n%x\nwant\n%x", what, again, frame)
			}
		} else if !bytes.HasSuffix(again, frame[f.BodyOffset:]) {
			t.Errorf("%s: the body was written again as\n%x\nwant\n%x", what, again, frame[f.BodyOffset:])
		}
	})
}

func TestConsumerProtocolMatchesJava(t *testing.T) {
	names := map[string]string{"subscription": "ConsumerProtocolSubscription", "assignment": "ConsumerProtocolAssignment",
		"sticky-user-data": "StickyAssignorUserData", "cooperative-sticky-user-data": "CooperativeStickyAssignorUserData"}
	eachVector(t, "consumer-protocol", func(line []byte) {
		var v struct {
			Type    string
			Version int16
			Hex     string
		}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		body, _ := hex.DecodeString(v.Hex)
		m := protocol.NewData(names[v.Type])
		var again []byte
		var err error
		if v.Type == "subscription" || v.Type == "assignment" {
			var version int16
			if version, err = protocol.ReadVersioned(m, body); err == nil && version == v.Version {
				again, err = protocol.AppendVersioned(nil, m, version)
			}
		} else if err = protocol.Read(m, body, v.Version); err == nil {
			again, err = protocol.Append(nil, m, v.Version)
		}
		if err != nil || !bytes.Equal(again, body) {
			t.Errorf("%s v%d: written again as\n%x\nwant\n%x\n%v", v.Type, v.Version, again, body, err)
		}
	})
}

func TestPrimitivesMatchJava(t *testing.T) {
	eachVector(t, "primitive", func(line []byte) {
		var v struct {
			Type  string
			Value json.RawMessage
			Hex   string
		}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		b, _ := hex.DecodeString(v.Hex)
		var got string
		var again []byte
		switch v.Type {
		case "varint":
			x, n := wire.Varint32(b)
			got, again = fmt.Sprint(x), wire.AppendVarint(nil, int64(x))
			if n != len(b) || wire.VarintLen(int64(x)) != n {
				t.Errorf("varint %s: %d bytes", v.Value, n)
			}
		case "varlong":
			x, n := wire.Varint64(b)
			got, again = fmt.Sprint(x), wire.AppendVarint(nil, x)
			if n != len(b) || wire.VarintLen(x) != n {
				t.Errorf("varlong %s: %d bytes", v.Value, n)
			}
		case "uvarint":
			x, n := wire.Uvarint32(b)
			got, again = fmt.Sprint(x), wire.AppendUvarint(nil, uint64(x))
			if n != len(b) || wire.UvarintLen(uint64(x)) != n {
				t.Errorf("uvarint %s: %d bytes", v.Value, n)
			}
		case "uuid":
			u := wire.UUID(b)
			got, again = strconv.Quote(u.String()), u[:]
			if p, err := wire.ParseUUID(u.String()); p != u || err != nil {
				t.Errorf("uuid %s: %v", u, err)
			}
		default:
			t.Fatalf("type %q", v.Type)
		}
		if got != string(v.Value) || !bytes.Equal(again, b) {
			t.Errorf("%s %s: got %s, %x", v.Type, v.Value, got, again)
		}
	})
}

func TestCodecLineMatchesJava(t *testing.T) {
	for _, name := range []string{"requests", "responses", "headers", "data"} {
		eachVector(t, name, func(line []byte) {
			v, _, _ := parseVector(t, line)
			var out struct {
				Hex, Error string
				JSON       json.RawMessage
				Mode       string
			}
			if err := json.Unmarshal(protocol.CodecLine(line), &out); err != nil {
				t.Fatal(err)
			}
			if out.Error != "" || out.Hex != v.Hex || !sameJSON(out.JSON, v.JSON) || out.Mode != v.Mode {
				t.Errorf("%s %s v%d: %+v", v.API, v.Kind, v.Version, out)
			}
		})
	}
}
