package main

import (
	"context"
	"encoding/json"
	"io"

	"github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/otlp/attributes"
	translator "github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/otlp/logs"
	"go.opentelemetry.io/collector/pdata/plog"
)

func init() { kinds["logs"] = logs }

// logs reads frames of OTLP requests, and writes a line of JSON for each: the items of `/api/v2/logs`.
func logs(in io.Reader, out io.Writer) error {
	byAttributes, err := attributes.NewTranslator(silence())
	if err != nil {
		return err
	}
	mapping, err := translator.NewTranslator(silence(), byAttributes, "datadog_exporter")
	if err != nil {
		return err
	}
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for {
		body, err := frame(in)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(body)
		if err != nil {
			return err
		}
		items := []json.RawMessage{}
		for _, item := range mapping.MapLogs(context.Background(), ld, nil) {
			text, err := item.MarshalJSON()
			if err != nil {
				text = []byte(`null`)
			}
			items = append(items, text)
		}
		if err := lines.Encode(items); err != nil {
			return err
		}
	}
}
