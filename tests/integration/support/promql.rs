//! What a real Prometheus stores beyond the values of instant queries.

use super::client::get_json;
use serde_json::Value;

/// Returns the samples of the only series that a range selector matches, in time order.
pub(crate) async fn samples(address: &str, selector: &str) -> Result<Vec<f64>, String> {
    let mut url = reqwest::Url::parse(&format!("{address}/api/v1/query")).expect("an address");
    url.query_pairs_mut().append_pair("query", selector);
    let answer = get_json(url.as_str()).await?;
    let Some([series]) = answer["data"]["result"].as_array().map(Vec::as_slice) else {
        return Err(format!("{selector}: expected one series: {answer}"));
    };
    let values = series["values"].as_array().into_iter().flatten();
    values.map(|pair| pair[1].as_str().and_then(|v| v.parse().ok()).ok_or_else(|| pair.to_string())).collect()
}

/// Returns the exemplars of the last ten minutes for a query, each as `value trace_id`, in order.
pub(crate) async fn exemplars(address: &str, query: &str) -> Result<Vec<String>, String> {
    let now = super::now_unix_nano() / 1_000_000_000;
    let mut url = reqwest::Url::parse(&format!("{address}/api/v1/query_exemplars")).expect("an address");
    url.query_pairs_mut()
        .append_pair("query", query)
        .append_pair("start", &(now - 600).to_string())
        .append_pair("end", &(now + 600).to_string());
    let answer = get_json(url.as_str()).await?;
    let series = answer["data"].as_array().ok_or_else(|| format!("no exemplars: {answer}"))?;
    let of_series = |series: &Value| series["exemplars"].as_array().cloned().unwrap_or_default();
    let text = |exemplar: &Value| {
        let trace = exemplar["labels"]["trace_id"].as_str().unwrap_or("none").to_owned();
        format!("{} {trace}", exemplar["value"].as_str().unwrap_or_default())
    };
    let mut all: Vec<String> = series.iter().flat_map(of_series).map(|exemplar| text(&exemplar)).collect();
    all.sort();
    all.dedup();
    Ok(all)
}
