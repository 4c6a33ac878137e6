"""Augmentation of labelled clips, mixup and cutmix."""
