package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/DataDog/agent-payload/v5/gogen"
	"github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/otlp/attributes"
	"github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/otlp/attributes/source"
	translator "github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/otlp/metrics"
	"github.com/DataDog/datadog-agent/pkg/util/quantile"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/resourcetotelemetry"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/zap"
)

func init() {
	kinds["metrics"] = metrics
	kinds["payloads"] = readPayloads
}

// frame reads a length (four bytes, little endian) and as many bytes.
func frame(in io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.LittleEndian.Uint32(length[:]))
	_, err := io.ReadFull(in, body)
	return body, err
}

// bits are a number that JSON cannot round, nor refuse.
type bits string

func bitsOf(number float64) bits { return bits(fmt.Sprintf("%016x", math.Float64bits(number))) }

type seriesRow struct {
	Name     string   `json:"name"`
	Host     string   `json:"host"`
	Device   string   `json:"device"`
	Tags     []string `json:"tags"`
	Type     int      `json:"type"`
	Time     int64    `json:"time"`
	Interval int64    `json:"interval"`
	Unit     string   `json:"unit"`
	Product  uint32   `json:"product"`
	Service  uint32   `json:"service"`
	Value    bits     `json:"value"`
}

type sketchRow struct {
	Name    string   `json:"name"`
	Host    string   `json:"host"`
	Tags    []string `json:"tags"`
	Time    int64    `json:"time"`
	Product uint32   `json:"product"`
	Service uint32   `json:"service"`
	Count   int64    `json:"count"`
	Min     bits     `json:"min"`
	Max     bits     `json:"max"`
	Sum     bits     `json:"sum"`
	Average bits     `json:"average"`
	Keys    []int32  `json:"keys"`
	Counts  []uint32 `json:"counts"`
}

type metricAnswer struct {
	Series   []seriesRow `json:"series"`
	Sketches []sketchRow `json:"sketches"`
	Error    string      `json:"error"`
}

// rows collects what the translator gives.
type rows struct{ answer metricAnswer }

func tagsOf(dimensions *translator.Dimensions) []string {
	return append([]string{}, dimensions.Tags()...)
}

func (r *rows) ConsumeTimeSeries(_ context.Context, d *translator.Dimensions, kind translator.DataType, ts uint64, interval int64, value float64) {
	// As in agent-payload: COUNT, RATE, GAUGE.
	types := map[translator.DataType]int{translator.Count: 1, translator.Rate: 2, translator.Gauge: 3}
	r.answer.Series = append(r.answer.Series, seriesRow{
		Name: d.Name(), Host: d.Host(), Tags: tagsOf(d), Type: types[kind], Time: int64(ts / 1e9), Interval: interval,
		Unit: d.Unit(), Product: uint32(d.OriginProduct()), Service: uint32(d.OriginProductDetail()), Value: bitsOf(value),
	})
}

func (r *rows) ConsumeSketch(_ context.Context, d *translator.Dimensions, ts uint64, _ int64, sketch *quantile.Sketch) {
	keys, counts := sketch.Cols()
	r.answer.Sketches = append(r.answer.Sketches, sketchRow{
		Name: d.Name(), Host: d.Host(), Tags: tagsOf(d), Time: int64(ts / 1e9),
		Product: uint32(d.OriginProduct()), Service: uint32(d.OriginProductDetail()),
		Count: sketch.Basic.Cnt, Min: bitsOf(sketch.Basic.Min), Max: bitsOf(sketch.Basic.Max), Sum: bitsOf(sketch.Basic.Sum),
		Average: bitsOf(sketch.Basic.Avg), Keys: keys, Counts: counts,
	})
}

func (*rows) ConsumeExplicitBoundHistogram(context.Context, *translator.Dimensions, pmetric.HistogramDataPointSlice) {
}

func (*rows) ConsumeExponentialHistogram(context.Context, *translator.Dimensions, pmetric.ExponentialHistogramDataPointSlice) {
}

// metricSettings are those of the exporter, as far as the mapping goes.
type metricSettings struct {
	Hostname      string `json:"hostname"`
	Mode          string `json:"mode"`
	Aggregations  bool   `json:"aggregations"`
	Quantiles     bool   `json:"quantiles"`
	RawValue      bool   `json:"raw_value"`
	Initial       string `json:"initial"`
	ResourceTags  bool   `json:"resource_tags"`
	ScopeTags     bool   `json:"scope_tags"`
	InferInterval bool   `json:"infer_interval"`
}

type hostname string

func (h hostname) Source(context.Context) (source.Source, error) {
	return source.Source{Kind: source.HostnameKind, Identifier: string(h), SourceIdentifier: source.SourceIdentifier{Primary: string(h)}}, nil
}

func silence() component.TelemetrySettings {
	return component.TelemetrySettings{Logger: zap.NewNop(), MeterProvider: noop.NewMeterProvider()}
}

func newTranslator(s metricSettings) (translator.Provider, error) {
	byAttributes, err := attributes.NewTranslator(silence())
	if err != nil {
		return nil, err
	}
	options := []translator.TranslatorOption{
		translator.WithFallbackSourceProvider(hostname(s.Hostname)),
		translator.WithHistogramMode(translator.HistogramMode(s.Mode)),
		translator.WithInitialCumulMonoValueMode(translator.InitialCumulMonoValueMode(s.Initial)),
		translator.WithOriginProduct(translator.OriginProductDatadogExporter),
		translator.WithUnits(),
		// As the Collector's exporter has it since 0.146.
		translator.WithoutRuntimeMetricMappings(),
	}
	if s.Aggregations {
		options = append(options, translator.WithHistogramAggregations())
	}
	if s.Quantiles {
		options = append(options, translator.WithQuantiles())
	}
	if s.RawValue {
		options = append(options, translator.WithNumberMode(translator.NumberModeRawValue))
	}
	if s.ScopeTags {
		options = append(options, translator.WithInstrumentationScopeMetadataAsTags())
	}
	if s.InferInterval {
		options = append(options, translator.WithInferDeltaInterval())
	}
	return translator.NewDefaultTranslator(silence(), byAttributes, options...)
}

// mapping is the translator as an exporter, which is what the conversion of resources' attributes wraps.
type mapping struct {
	component.StartFunc
	component.ShutdownFunc
	provider translator.Provider
	rows     *rows
}

func (*mapping) Capabilities() consumer.Capabilities { return consumer.Capabilities{MutatesData: true} }

func (m *mapping) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	_, err := m.provider.MapMetrics(ctx, md, m.rows, nil)
	return err
}

// metrics reads cases: a frame of settings in JSON, a number (four bytes), and as many frames of OTLP requests, which one
// translator gets in their order. It writes a line of JSON a request.
func metrics(in io.Reader, out io.Writer) error {
	lines := json.NewEncoder(out)
	for {
		head, err := frame(in)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var s metricSettings
		if err := json.Unmarshal(head, &s); err != nil {
			return err
		}
		provider, err := newTranslator(s)
		if err != nil {
			return err
		}
		var number uint32
		if err := binary.Read(in, binary.LittleEndian, &number); err != nil {
			return err
		}
		for range number {
			body, err := frame(in)
			if err != nil {
				return err
			}
			md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(body)
			if err != nil {
				return err
			}
			found := &rows{}
			exporter := resourcetotelemetry.WrapMetricsExporter(
				resourcetotelemetry.Settings{Enabled: s.ResourceTags}, &mapping{provider: provider, rows: found})
			if err := exporter.ConsumeMetrics(context.Background(), md); err != nil {
				found.answer.Error = err.Error()
			}
			if err := lines.Encode(found.answer); err != nil {
				return err
			}
		}
	}
}

// readPayloads reads frames in pairs, the path of an intake and a body for it, and writes what Datadog's own types read in it:
// a line of JSON a pair.
func readPayloads(in io.Reader, out io.Writer) error {
	lines := json.NewEncoder(out)
	for {
		path, err := frame(in)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		body, err := frame(in)
		if err != nil {
			return err
		}
		read := metricAnswer{}
		switch string(path) {
		case "/api/v2/series":
			payload := &gogen.MetricPayload{}
			if err := payload.Unmarshal(body); err != nil {
				return err
			}
			for _, series := range payload.Series {
				row := seriesRow{
					Name: series.Metric, Tags: append([]string{}, series.Tags...), Type: int(series.Type), Interval: series.Interval,
					Unit: series.Unit, Product: series.Metadata.Origin.OriginProduct, Service: series.Metadata.Origin.OriginService,
				}
				for _, resource := range series.Resources {
					switch resource.Type {
					case "host":
						row.Host = resource.Name
					case "device":
						row.Device = resource.Name
					}
				}
				for _, point := range series.Points {
					row.Time, row.Value = point.Timestamp, bitsOf(point.Value)
					read.Series = append(read.Series, row)
				}
			}
		case "/api/beta/sketches":
			payload := &gogen.SketchPayload{}
			if err := payload.Unmarshal(body); err != nil {
				return err
			}
			for _, sketch := range payload.Sketches {
				for _, point := range sketch.Dogsketches {
					read.Sketches = append(read.Sketches, sketchRow{
						Name: sketch.Metric, Host: sketch.Host, Tags: append([]string{}, sketch.Tags...), Time: point.Ts,
						Product: sketch.Metadata.Origin.OriginProduct, Service: sketch.Metadata.Origin.OriginService,
						Count: point.Cnt, Min: bitsOf(point.Min), Max: bitsOf(point.Max), Sum: bitsOf(point.Sum),
						Average: bitsOf(point.Avg), Keys: point.K, Counts: point.N,
					})
				}
			}
		default:
			return fmt.Errorf("no intake at %q", path)
		}
		if err := lines.Encode(read); err != nil {
			return err
		}
	}
}
