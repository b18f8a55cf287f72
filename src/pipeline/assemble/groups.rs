//! Which of the projections that are built belong together, because they read each other.

use crate::plan::Planned;

/// The projections in groups, so that none reads one of another group. Each comes after those that it reads, as before.
pub(super) fn groups(projections: Vec<Planned>) -> Vec<Vec<Planned>> {
    let mut groups: Vec<Vec<Planned>> = Vec::new();
    for planned in projections {
        let upstream = &planned.compiled.upstream;
        let reads = |group: &Vec<Planned>| group.iter().any(|one| upstream.contains(&one.config.name));
        let (connected, mut apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(reads);
        let mut group: Vec<Planned> = connected.into_iter().flatten().collect();
        group.push(planned);
        apart.push(group);
        groups = apart;
    }
    groups
}
