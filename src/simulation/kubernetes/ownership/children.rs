//! What a place has below it: a map of the names to the sets there.
//!
//! A sorted list: most places have few children and there are very many places, of which each would have a node of a
//! tree with room for eleven.

use super::set::Set;

/// Sets by path element, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Children(Vec<(String, Set)>);

impl Children {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Set)> {
        self.0.iter().map(|(name, child)| (name, child))
    }

    /// The names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The sets, in the order of their names.
    pub fn values(&self) -> impl Iterator<Item = &Set> {
        self.0.iter().map(|(_, child)| child)
    }

    /// The set of this name.
    pub fn get(&self, name: &str) -> Option<&Set> {
        self.find(name).ok().map(|at| &self.0[at].1)
    }

    /// The set of this name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Set> {
        self.find(name).ok().map(|at| &mut self.0[at].1)
    }

    /// Adds a set, or puts it in the place of the one of this name, which it returns.
    pub fn insert(&mut self, name: String, child: Set) -> Option<Set> {
        // What is read comes in order.
        if self.0.last().is_none_or(|(last, _)| *last < name) {
            self.0.push((name, child));
            return None;
        }
        match self.find(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, child)),
            Err(at) => {
                self.0.insert(at, (name, child));
                None
            }
        }
    }

    /// Takes the set of this name away.
    pub fn remove(&mut self, name: &str) -> Option<Set> {
        self.find(name).ok().map(|at| self.0.remove(at).1)
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }
}

impl FromIterator<(String, Set)> for Children {
    fn from_iter<I: IntoIterator<Item = (String, Set)>>(named: I) -> Self {
        let mut children = Self::default();
        for (name, child) in named {
            children.insert(name, child);
        }
        children
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_stand_there_once() {
        let named = ["f:b", "f:c", "f:a", "f:b"].map(|name| (name.to_owned(), Set::leaf()));
        let mut children: Children = named.into_iter().collect();
        assert!(children.keys().eq(["f:a", "f:b", "f:c"]));
        assert!(children.insert("f:c".to_owned(), Set::default()).is_some());
        assert_eq!(children.get("f:c"), Some(&Set::default()));
        assert!(children.remove("f:b").is_some() && children.remove("f:b").is_none());
        assert!(children.get("f:b").is_none() && children.get_mut("f:a").is_some());
        assert_eq!(children.iter().count(), children.values().count());
    }
}
