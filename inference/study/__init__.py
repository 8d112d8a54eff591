"""Many slices, one case: archives and volumes opened, slices put in order, judged one by one and pooled."""
