//! `OVER (w ORDER BY b)` with `WINDOW w AS (PARTITION BY a)`: the partition, and the order if no other is said, are those of `w`.
//! DataFusion drops the name, and with it the partition.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    Expr, NamedWindowDefinition, NamedWindowExpr, Select, VisitMut, WindowSpec, WindowType, visit_expressions_mut,
};

use super::template::Copies;

/// What is said of a window is written where another one builds upon it. A name alone is left to DataFusion.
pub(super) fn as_written_out(select: &mut Select) -> Result<()> {
    let mut copies = Copies::default();
    for index in 0..select.named_window.len() {
        let (known, rest) = select.named_window.split_at_mut(index);
        if let Some(NamedWindowDefinition(_, NamedWindowExpr::WindowSpec(spec))) = rest.first_mut() {
            complete(spec, known, &mut copies)?;
        }
    }
    let known = select.named_window.clone();
    over_named(&mut select.projection, &known, &mut copies)?;
    over_named(&mut select.qualify, &known, &mut copies)
}

fn over_named(within: &mut impl VisitMut, known: &[NamedWindowDefinition], copies: &mut Copies) -> Result<()> {
    let visited = visit_expressions_mut(within, |expr| match expr {
        Expr::Function(function) => match &mut function.over {
            Some(WindowType::WindowSpec(spec)) => match complete(spec, known, copies) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::<DataFusionError>::Break(error),
            },
            _ => ControlFlow::Continue(()),
        },
        _ => ControlFlow::Continue(()),
    });
    match visited {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Adds what is said of the window that this one builds upon.
fn complete(spec: &mut WindowSpec, known: &[NamedWindowDefinition], copies: &mut Copies) -> Result<()> {
    let Some(name) = &spec.window_name else { return Ok(()) };
    let definition = known.iter().find(|NamedWindowDefinition(known, _)| known.value.eq_ignore_ascii_case(&name.value));
    let Some(NamedWindowDefinition(_, NamedWindowExpr::WindowSpec(definition))) = definition else {
        return plan_err!("there is no window `{name}`: define it, as in `WINDOW {name} AS (PARTITION BY a)`");
    };
    if !spec.partition_by.is_empty() || (!spec.order_by.is_empty() && !definition.order_by.is_empty()) {
        return plan_err!(
            "`{name}` has its partition and order already: write `OVER {name}`, or all of it in `OVER (…)`"
        );
    }
    spec.partition_by = definition.partition_by.iter().map(|expr| copies.of(expr)).collect::<Result<_>>()?;
    if spec.order_by.is_empty() {
        for order in &definition.order_by {
            copies.of(&order.expr)?;
        }
        spec.order_by.clone_from(&definition.order_by);
    }
    if spec.window_frame.is_none() {
        spec.window_frame.clone_from(&definition.window_frame);
    }
    spec.window_name = None;
    Ok(())
}
