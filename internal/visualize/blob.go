package visualize

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// whole puts text in place of fields that the server cut as too large, so that
// the event decodes: {blob, size, head, tail} becomes its head and its tail.
func whole(raw json.RawMessage) json.RawMessage {
	if !bytes.Contains(raw, []byte(`"blob"`)) {
		return raw
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return raw
	}
	out, err := json.Marshal(joinBlobs(v))
	if err != nil {
		return raw
	}
	return out
}

func joinBlobs(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = joinBlobs(v[i])
		}
	case map[string]any:
		_, blob := v["blob"].(string)
		size, sized := v["size"].(float64)
		head, cut := v["head"].(string)
		if end, ok := v["tail"].(string); ok && cut && blob && sized {
			return fmt.Sprintf("%s\n[%.0f bytes are not shown]\n%s", head, max(size-float64(len(head)+len(end)), 0), end)
		}
		for k := range v {
			v[k] = joinBlobs(v[k])
		}
	}
	return v
}
