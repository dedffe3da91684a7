//! Orders the steps of `FROM`, and assigns each condition to the earliest step that can evaluate it.
//!
//! Outer joins are placed after the items that they read. Of the other steps the one with the fewest estimated rows comes next,
//! so that an empty relation ends the search at once and an equality becomes a lookup.

use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::plan::{Expr, Placed, Source, Step};

/// One operand of an `AND` in `WHERE` or `ON`.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) expr: Expr,
    /// Items that it reads.
    pub(super) needs: u64,
    /// Both sides of an equality, each with the items that it reads.
    pub(super) equal: Option<((Expr, u64), (Expr, u64))>,
}

/// A step that is not placed yet.
#[derive(Debug)]
struct Piece {
    step: Step,
    /// Items that it provides.
    gives: u64,
    /// Items that it reads.
    needs: u64,
    rows: usize,
    /// Steps and conditions of an outer join.
    inner: Option<(Vec<Piece>, Vec<Condition>)>,
}

/// Steps and conditions of `FROM` and `WHERE`.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    pub(super) conditions: Vec<Condition>,
}

impl Pieces {
    pub(super) fn one(step: Step, item: usize, needs: u64, rows: usize) -> Pieces {
        Pieces { pieces: vec![Piece { step, gives: 1 << item, needs, rows, inner: None }], conditions: Vec::new() }
    }

    /// Adds all steps and conditions of another.
    pub(super) fn join(&mut self, other: Pieces) {
        self.pieces.extend(other.pieces);
        self.conditions.extend(other.conditions);
    }

    fn gives(&self) -> u64 {
        self.pieces.iter().fold(0, |all, piece| all | piece.gives)
    }

    fn needs(&self) -> u64 {
        let of_pieces = self.pieces.iter().fold(0, |all, piece| all | piece.needs);
        self.conditions.iter().fold(of_pieces, |all, condition| all | condition.needs)
    }

    /// Adds an outer join with `other`, so that rows without a match are kept.
    pub(super) fn left(&mut self, mut other: Pieces, conditions: Vec<Condition>) {
        let gives = other.gives();
        other.conditions.extend(conditions);
        // Needed even if no condition refers to them: all rows of the other side are repeated for each of these.
        let needs = (other.needs() | self.gives()) & !gives;
        let step = Step::Left { inner: Vec::new(), items: items(gives) };
        self.pieces.push(Piece { step, gives, needs, rows: 1, inner: Some((other.pieces, other.conditions)) });
    }

    /// Creates a full join.
    pub(super) fn full(left: Pieces, right: Pieces, conditions: Vec<Condition>) -> Result<Pieces> {
        let (left_gives, right_gives) = (left.gives(), right.gives());
        let on = conditions.into_iter().map(|condition| condition.expr).collect();
        let step = Step::Full {
            left: place(left.pieces, left.conditions, 0)?,
            left_items: items(left_gives),
            right: place(right.pieces, right.conditions, 0)?,
            right_items: items(right_gives),
            on,
        };
        let piece = Piece { step, gives: left_gives | right_gives, needs: 0, rows: 100, inner: None };
        Ok(Pieces { pieces: vec![piece], conditions: Vec::new() })
    }

    /// Returns all steps in order.
    pub(super) fn placed(self, _items: usize) -> Result<Vec<Placed>> {
        place(self.pieces, self.conditions, 0)
    }
}

fn items(bits: u64) -> Vec<usize> {
    (0..64).filter(|item| bits & (1 << item) != 0).collect()
}

/// Orders steps, given that some items are known already. Conditions that need none of these steps are evaluated first.
fn place(mut pieces: Vec<Piece>, mut conditions: Vec<Condition>, mut known: u64) -> Result<Vec<Placed>> {
    let own = pieces.iter().fold(0, |all, piece| all | piece.gives);
    // Items outside an outer join are known when it is evaluated.
    known |= !own;
    let mut placed = Vec::new();
    if conditions.iter().any(|condition| condition.needs & !known == 0) || pieces.is_empty() {
        let filters = take(&mut conditions, known);
        if !filters.is_empty() || pieces.is_empty() {
            placed.push(Placed { step: nothing(), filters, lookup: None });
        }
    }
    while !pieces.is_empty() {
        let ready = |piece: &Piece| piece.needs & !known == 0;
        let next = pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| ready(piece))
            .min_by_key(|(_, piece)| estimate(piece, &conditions, known))
            .map(|(at, _)| at)
            .ok_or_else(|| Fault::new("42P10", "invalid reference to a FROM-clause entry"))?;
        let piece = pieces.remove(next);
        let lookup = lookup(&piece, &conditions, known);
        known |= piece.gives;
        let filters = take(&mut conditions, known);
        let step = match (piece.step, piece.inner) {
            (Step::Left { items, .. }, Some((pieces, conditions))) => {
                Step::Left { inner: place(pieces, conditions, 0)?, items }
            }
            (step, _) => step,
        };
        placed.push(Placed { step, filters, lookup });
    }
    Ok(placed)
}

/// A step that returns one row without columns.
fn nothing() -> Step {
    Step::Left { inner: vec![], items: vec![] }
}

/// Removes and returns the conditions that can be evaluated.
fn take(conditions: &mut Vec<Condition>, known: u64) -> Vec<Expr> {
    let (now, later): (Vec<_>, Vec<_>) =
        std::mem::take(conditions).into_iter().partition(|condition| condition.needs & !known == 0);
    *conditions = later;
    now.into_iter().map(|condition| condition.expr).collect()
}

/// Finds a column of the step that must equal a known value.
fn lookup(piece: &Piece, conditions: &[Condition], known: u64) -> Option<(usize, Expr)> {
    let Step::Scan { item, source: Source::Relation(_) | Source::Query(_) | Source::Cte(_) } = &piece.step else {
        return None;
    };
    if let Step::Scan { source: Source::Query(query), .. } = &piece.step
        && query.correlated
    {
        return None;
    }
    let equal = |(a, b): (&(Expr, u64), &(Expr, u64))| match &a.0 {
        Expr::Column { up: 0, item: of, column } if of == item && b.1 & !known == 0 => Some((*column, b.0.clone())),
        _ => None,
    };
    conditions.iter().find_map(|condition| {
        let (a, b) = condition.equal.as_ref()?;
        equal((a, b)).or_else(|| equal((b, a)))
    })
}

/// Estimates the number of rows of a step.
fn estimate(piece: &Piece, conditions: &[Condition], known: u64) -> usize {
    if piece.inner.is_some() {
        // Outer joins never reduce the number of rows.
        return usize::MAX / 2;
    }
    let rows = piece.rows;
    if lookup(piece, conditions, known).is_some() {
        return rows.min(1 + rows / 200);
    }
    let bound = known | piece.gives;
    let judged =
        conditions.iter().filter(|condition| condition.needs & piece.gives != 0 && condition.needs & !bound == 0);
    (rows / (1 + judged.count() * 3)).max(usize::from(rows > 0) * 2)
}
