//! Options of a benchmark: names followed by an integer.

use anyhow::{Context as _, bail};

/// Parses the command line. An option that is not given keeps its value.
pub(crate) fn read<const N: usize>(mut options: [(&str, &mut u64); N]) -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        // Passed by cargo.
        if matches!(argument.as_str(), "--bench" | "--test") {
            continue;
        }
        let Some((_, value)) = options.iter_mut().find(|(name, _)| *name == argument) else {
            bail!("{argument}: expected one of {}", options.map(|(name, _)| name).join(", "));
        };
        let number = arguments.next().with_context(|| format!("{argument}: expected a number behind it"))?;
        **value = number.parse().with_context(|| format!("{argument}: expected a whole number, found {number:?}"))?;
    }
    Ok(())
}
