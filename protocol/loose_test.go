package protocol_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Brokers take requests that nobody writes: each of these was sent to Kafka 4.3.0, which answered it, or has ended the connection where there is an error.
func TestRequestsAreReadAsBrokersDo(t *testing.T) {
	const header = "0012000300000007" // ApiVersions v3
	for _, c := range []struct {
		what, frame string
		wrong       string
		headless    bool
	}{
		{"client id of length -2", header + "fffe00" + "0278" + "0279" + "00", "", false},
		{"client id of length -32768", header + "800000" + "0278" + "0279" + "00", "", false},
		{"a client id longer than the frame", header + "6469", "ends too early", true},
		{"a tag of the header that is unknown", header + "ffff" + "01630101" + "0278" + "0279" + "00", "", false},
		{"tags twice and in descending order", header + "ffff" + "0305000500" + "0400" + "0278" + "0279" + "00", "", false},
		{"more tags than there are", header + "ffff" + "05" + "0278" + "0279" + "00", "", true},
		{"fewer than no tags", header + "ffff" + "ffffffff0f" + "0278" + "0279" + "00", "", false},
		{"a tag of less than nothing", header + "ffff" + "0105ffffffff0f" + "0278" + "0279" + "00", "", true},
		{"a length with more bits than there are", header + "ffff00" + "828080807078" + "0279" + "00", "", false},
		{"a length of six bytes", header + "ffff00" + "82808080800078" + "0279" + "00", "varint", false},
		{"text of a negative length", header + "ffff00" + "ffffffff0f" + "0279" + "00", "null", false},
		{"something behind it", header + "ffff00" + "0278" + "0279" + "00" + "ffff", "", false},
	} {
		b, err := hex.DecodeString(c.frame)
		if err != nil {
			t.Fatal(err)
		}
		f := protocol.ReadRequest(b)
		switch ok := c.wrong == "" && !c.headless; {
		case ok != (f.Err == nil), f.Headless != c.headless, f.Err != nil && !strings.Contains(f.Err.Error(), c.wrong):
			t.Errorf("%s: %v, headless %v", c.what, f.Err, f.Headless)
		case ok && f.Request.(*msg.ApiVersionsRequest).ClientSoftwareVersion != "y":
			t.Errorf("%s: %+v", c.what, f.Request)
		}
	}
}

// What is no UTF-8 has U+FFFD in its place, as Java reads it.
func TestTextThatIsNone(t *testing.T) {
	for in, want := range map[string]string{"a\xff\xfe": "a\ufffd\ufffd", "\xc0\x80": "\ufffd\ufffd", "\xe2\x82x": "\ufffdx", "\xe2\x82": "\ufffd", "\xed\xa0\x80": "\ufffd", "\xf0\x9f\x98": "\ufffd", "\xf0\x80\x80\x80": "\ufffd\ufffd\ufffd\ufffd", "\xf4\x90\x80\x80": "\ufffd\ufffd\ufffd\ufffd",
		"\xe0\x80\x80": "\ufffd\ufffd\ufffd", "\xf0\x9f\x98\x80\x80": "\U0001f600\ufffd", "\xf8\x88": "\ufffd\ufffd", strings.Repeat("\xff", 20_000): "?"} {
		frame := append([]byte{0, 16, 0, 0, 0, 0, 0, 7, byte(len(in) >> 8), byte(len(in))}, in...) // its client id
		if got := protocol.ReadRequest(frame).Header.ClientID; got == nil || *got != want {
			t.Errorf("%.20q: %.20v", in, got)
		}
	}
}
