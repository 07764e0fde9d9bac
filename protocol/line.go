package protocol

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// CodecLine translates one message given as a line of JSON:
//
//	{"api": "Produce", "apiKey": 0, "kind": "request", "version": 9, "hex": "..."}
//
// or the same with "json" in place of "hex". kind is request, response, header or data; of the last two api is the name of the message. The
// answer is the same object with both hex and json, or with error. hex wins over json; tagged fields that are not known are written again;
// other members are passed on.
func CodecLine(line []byte) []byte {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(line, &in); err != nil {
		in = map[string]json.RawMessage{}
		return codecError(in, fmt.Errorf("not a JSON object: %w", err))
	}
	if err := codecFields(in); err != nil {
		return codecError(in, err)
	}
	return must(json.Marshal(in))
}

func must(b []byte, err error) []byte {
	if err != nil {
		return []byte(`{"error":"the line cannot be written again"}`)
	}
	return b
}

func codecError(in map[string]json.RawMessage, err error) []byte {
	in["error"], _ = json.Marshal(err.Error())
	return must(json.Marshal(in))
}

func codecFields(in map[string]json.RawMessage) error {
	var head struct {
		API     string
		APIKey  *int16
		Kind    string
		Version *int16
		Hex     *string
		JSON    json.RawMessage
	}
	whole, _ := json.Marshal(in)
	if err := json.Unmarshal(whole, &head); err != nil {
		return err
	}
	if head.Version == nil {
		return errors.New("version is missing")
	}
	m, err := lineMessage(head.API, head.APIKey, head.Kind)
	if err != nil {
		return err
	}
	switch {
	case head.Hex != nil:
		b, err := hex.DecodeString(*head.Hex)
		if err != nil {
			return fmt.Errorf("hex: %w", err)
		}
		if err := Read(m, b, *head.Version); err != nil {
			return err
		}
	case len(head.JSON) > 0:
		if err := FromJSON(m, head.JSON, *head.Version); err != nil {
			return err
		}
	default:
		return errors.New("hex and json are both missing")
	}
	b, err := Append(nil, m, *head.Version)
	if err != nil {
		return err
	}
	text, err := ToJSON(m, *head.Version)
	if err != nil {
		return err
	}
	in["hex"], _ = json.Marshal(hex.EncodeToString(b))
	in["json"] = text
	return nil
}

func lineMessage(api string, key *int16, kind string) (Message, error) {
	switch kind {
	case "request", "response":
		k := int16(-1)
		if key != nil {
			k = *key
		} else {
			k = KeyOf(api)
		}
		r := NewRequest(k)
		if r == nil {
			return nil, fmt.Errorf("there is no API %q", api)
		}
		if name := APIName(k); api != "" && api != name {
			return nil, fmt.Errorf("API key %d is %s, not %s", k, name, api)
		}
		if kind == "request" {
			return r, nil
		}
		return NewResponse(k), nil
	case "header", "data":
		if m := NewData(api); m != nil {
			return m, nil
		}
		return nil, fmt.Errorf("there is no %s %q", kind, api)
	}
	return nil, fmt.Errorf("kind %q: request, response, header or data wanted", kind)
}
