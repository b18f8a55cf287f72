//! Which of the projections that are built belong together, because they read each other.

use crate::plan::PlannedProjection;

/// The projections in groups, so that none reads one of another group. Each comes after those that it reads, as before.
pub(super) fn groups(projections: Vec<PlannedProjection>) -> Vec<Vec<PlannedProjection>> {
    let mut groups: Vec<Vec<PlannedProjection>> = Vec::new();
    for planned in projections {
        let upstream = &planned.compiled.upstream;
        let reads = |group: &Vec<PlannedProjection>| group.iter().any(|one| upstream.contains(&one.config.name));
        let (connected, mut apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(reads);
        let mut group: Vec<PlannedProjection> = connected.into_iter().flatten().collect();
        group.push(planned);
        apart.push(group);
        groups = apart;
    }
    groups
}
